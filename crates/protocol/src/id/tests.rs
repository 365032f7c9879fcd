use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn texts_round_trip(now in 0i64..(1 << 48), entropy: [u8; 10]) {
        let id = EventId::new(UnixMillis(now), entropy);
        let text = id.to_string();
        prop_assert_eq!(text.len(), "evt_".len() + 26);
        prop_assert_eq!(text.parse::<EventId>().unwrap(), id);
        let json = serde_json::to_string(&id).unwrap();
        prop_assert_eq!(&json, &format!("\"{text}\""));
        prop_assert_eq!(serde_json::from_str::<EventId>(&json).unwrap(), id);
    }

    #[test]
    fn ids_and_their_texts_sort_by_time(a in 0i64..(1 << 47), gap in 1i64..1_000_000, x: [u8; 10], y: [u8; 10]) {
        let (early, late) = (WorkerId::new(UnixMillis(a), x), WorkerId::new(UnixMillis(a + gap), y));
        prop_assert!(early < late);
        prop_assert!(early.to_string() < late.to_string());
    }

    #[test]
    fn all_the_entropy_is_used(entropy: [u8; 10], bit in 0usize..80) {
        let mut other = entropy;
        other[bit / 8] ^= 1 << (bit % 8);
        prop_assert_ne!(SourceId::new(UnixMillis(0), entropy), SourceId::new(UnixMillis(0), other));
    }
}

#[test]
fn a_time_outside_48_bits_does_not_panic() {
    let before = EventId::new(UnixMillis(-5), [1; 10]);
    assert_eq!(before, EventId::new(UnixMillis(0), [1; 10]));
    let _ = EventId::new(UnixMillis(i64::MAX), [1; 10]);
    let _ = EventId::new(UnixMillis(i64::MIN), [1; 10]);
}

#[test]
fn another_kind_or_shape_is_refused_by_name() {
    let good = EventId::new(UnixMillis(1_763_800_000_000), [5; 10]).to_string();
    let bare = good.strip_prefix("evt_").unwrap();
    let wrong = [
        String::new(),
        bare.to_owned(),
        format!("evt_{}", bare.to_lowercase()),
        good.replacen('0', "O", 1),
        format!("wrk_{bare}"),
        format!("EVT_{bare}"),
        format!("{good}0"),
        good[..good.len() - 1].to_owned(),
        format!("{}é", &good[..good.len() - 2]),
        format!("{}U", &good[..good.len() - 1]),
        format!("evt_8{}", &bare[1..]),
        format!(" {good}"),
    ];
    for text in wrong {
        assert_eq!(text.parse::<EventId>(), Err(InvalidId { prefix: "evt_" }), "{text}");
        assert!(serde_json::from_value::<EventId>(text.into()).is_err());
    }
    let error = "".parse::<WorkspaceId>().unwrap_err();
    assert_eq!(error.to_string(), "not a valid id: expected ws_ followed by 26 base32 characters");
}

#[test]
fn a_webhook_id_names_its_event() {
    let id = EventId::new(UnixMillis(1_700_000_000_000), [7; 10]);
    for text in [id.to_string(), format!("{id}.r1"), format!("{id}.r12")] {
        assert_eq!(EventId::of_webhook_id(&text), Ok(id), "{text}");
    }
    for text in [format!("{id}.r"), format!("{id}.r0"), format!("{id}.r+1"), format!("{id}.x"), "evt_".into()]
    {
        assert!(EventId::of_webhook_id(&text).is_err(), "{text}");
    }
}
