//! Two machines that share the work: one of them dies in the middle of it, and
//! in the evening each event was completed exactly once, by one of the two, and
//! those of each issue in their order.

use crate::Day;
use postern_protocol::id::EventId;
use std::collections::BTreeMap;

/// Over how many connections is posted meanwhile.
const CONNECTIONS: usize = 2;

impl Day {
    /// What it held, its colleague takes over; what it finds in its history
    /// when it is back is not its any more.
    pub(crate) async fn a_builder_dies(&mut self) {
        let flood = self.linear.floods(CONNECTIONS);
        flood.brings(20).await;
        let group = ["--via", "tunnel", "--group", "builders"];
        self.builders[0].is_killed_and_starts_again(&group).await;
        flood.brings(CONNECTIONS + 1).await;
        flood.ends().await;
        self.central.settled().await;
        self.tells("a builder died, and another took over");
    }

    /// One delivery of each event to the group, completed by one report, those of
    /// an issue in their order; at the builders every event, and nothing else.
    pub(crate) fn the_builders_work(&self, wrong: &mut Vec<String>) {
        let books = self.central.books();
        let sql = "SELECT events.id, deliveries.state,
                     (SELECT count(*) FROM work WHERE work.event = deliveries.event
                        AND work.delivery = deliveries.id AND status = 'completed')
                   FROM deliveries JOIN events ON events.seq = deliveries.event WHERE deliveries.worker < 0";
        let mut query = books.prepare(sql).unwrap();
        let rows = query.query_map([], |row| {
            let id = EventId::from_bytes(row.get(0)?).to_string();
            Ok((id, (row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)))
        });
        let mut shared: BTreeMap<String, Vec<(i64, i64)>> = BTreeMap::new();
        for (id, found) in rows.unwrap().map(Result::unwrap) {
            shared.entry(id).or_default().push(found);
        }
        let mut kept: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for builder in &self.builders {
            kept.extend(builder.history());
        }
        for entry in self.ledger.entries() {
            let found = shared.remove(&entry.id).unwrap_or_default();
            if found != [(1, 1)] {
                wrong.push(format!("{}: the builders' (state, completed) is {found:?}", entry.id));
            }
            if kept.remove(&entry.id).is_none_or(|body| body != entry.body) {
                wrong.push(format!("builders: {} is missing or changed", entry.id));
            }
        }
        let sql = "SELECT lane, at FROM work JOIN deliveries ON deliveries.event = work.event
                     AND deliveries.id = work.delivery
                   WHERE deliveries.worker < 0 AND status = 'completed'
                   ORDER BY lane, deliveries.event";
        let mut query = books.prepare(sql).unwrap();
        let rows = query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)));
        let completed: Vec<_> = rows.unwrap().map(Result::unwrap).collect();
        let out_of_order =
            completed.windows(2).filter(|pair| pair[0].0 == pair[1].0 && pair[0].1 > pair[1].1);
        wrong.extend(out_of_order.map(|pair| format!("the builders completed {} out of order", pair[0].0)));
        wrong.extend(shared.keys().map(|id| format!("builders: nobody posted {id}")));
        wrong.extend(kept.keys().map(|id| format!("builders: nobody sent {id}")));
    }
}
