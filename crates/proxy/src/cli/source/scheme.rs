//! The options that say who posts to a source and how that is signed.

use crate::cli::CliError;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use postern_protocol::Provider;
use postern_protocol::dedupe::{IdFrom, Pointer};
use postern_protocol::header::HeaderName;
use postern_protocol::signature::generic::{Algorithm, Encoding, Prefix};
use postern_protocol::signature::{Hmac, Scheme, Timestamped};

#[derive(Debug, Args)]
pub(in crate::cli) struct SchemeArgs {
    /// Who posts to it: linear, github, stripe, slack, standard_webhooks, hmac, timestamped, none
    #[arg(long)]
    provider: Provider,
    /// hmac: the header that carries the signature
    #[arg(long, value_name = "NAME")]
    header: Option<HeaderName>,
    /// hmac: the hash [default: sha256]
    #[arg(long, value_name = "HASH", value_parser = PossibleValuesParser::new(["sha256", "sha1", "sha512"]).map(algorithm))]
    algorithm: Option<Algorithm>,
    /// hmac: how the signature is written [default: hex]
    #[arg(long, value_name = "FORM", value_parser = PossibleValuesParser::new(["hex", "base64"]).map(encoding))]
    encoding: Option<Encoding>,
    /// hmac: what stands before the signature, such as sha256=
    #[arg(long, value_name = "TEXT")]
    prefix: Option<Prefix>,
    /// timestamped: what its headers begin with, such as X-Acme for X-Acme-Signature
    #[arg(long, value_name = "NAME")]
    header_prefix: Option<HeaderName>,
    /// hmac, timestamped, none: the header with the event's id, by which repetitions are told
    #[arg(long, value_name = "NAME", conflicts_with = "id_pointer")]
    id_header: Option<HeaderName>,
    /// hmac, timestamped, none: where in the body the event's id stands, such as /event/id
    #[arg(long, value_name = "POINTER")]
    id_pointer: Option<Pointer>,
    /// Where in the body the thing stands that an event is about, such as /order/id: workers that
    /// ask for it get the events of one in their order
    #[arg(long, value_name = "POINTER")]
    entity_pointer: Option<Pointer>,
}

fn algorithm(name: String) -> Algorithm {
    match name.as_str() {
        "sha1" => Algorithm::Sha1,
        "sha512" => Algorithm::Sha512,
        _ => Algorithm::Sha256,
    }
}

fn encoding(name: String) -> Encoding {
    if name == "base64" { Encoding::Base64 } else { Encoding::Hex }
}

impl SchemeArgs {
    /// The scheme with its parameters.
    ///
    /// # Errors
    /// Usage, for a parameter that is missing or belongs to another provider.
    pub(in crate::cli) fn scheme(&self) -> Result<Scheme, CliError> {
        let hmac = [
            ("--header", self.header.is_some()),
            ("--algorithm", self.algorithm.is_some()),
            ("--encoding", self.encoding.is_some()),
            ("--prefix", self.prefix.is_some()),
        ];
        let timestamped = [("--header-prefix", self.header_prefix.is_some())];
        if self.provider != Provider::Hmac {
            self.refuse(&hmac, "hmac")?;
        }
        if self.provider != Provider::Timestamped {
            self.refuse(&timestamped, "timestamped")?;
        }
        if self.provider == Provider::Postern {
            return Err(CliError::Usage(
                "events of provider postern are made by the proxy: no source has them".into(),
            ));
        }
        if let Some(scheme) = Scheme::of(self.provider) {
            return Ok(scheme);
        }
        let missing =
            |option: &str| CliError::Usage(format!("a source of provider {} needs {option}", self.provider));
        if self.provider == Provider::Timestamped {
            let header_prefix = self.header_prefix.clone().ok_or_else(|| missing("--header-prefix"))?;
            return Ok(Scheme::Timestamped(Timestamped { header_prefix }));
        }
        Ok(Scheme::Hmac(Hmac {
            header: self.header.clone().ok_or_else(|| missing("--header"))?,
            algorithm: self.algorithm.unwrap_or_default(),
            encoding: self.encoding.unwrap_or_default(),
            prefix: self.prefix.clone().unwrap_or_default(),
        }))
    }

    /// Where an event's id stands, where that is configured.
    ///
    /// # Errors
    /// Usage, for a provider whose ids are known.
    pub(in crate::cli) fn id_from(&self) -> Result<Option<IdFrom>, CliError> {
        if !matches!(self.provider, Provider::Hmac | Provider::Timestamped | Provider::None) {
            let given =
                [("--id-header", self.id_header.is_some()), ("--id-pointer", self.id_pointer.is_some())];
            self.refuse(&given, "hmac, timestamped or none")?;
        }
        let header = self.id_header.clone().map(IdFrom::Header);
        Ok(header.or_else(|| self.id_pointer.clone().map(IdFrom::Pointer)))
    }

    /// Where an event's entity stands, where that is configured.
    pub(in crate::cli) fn entity_pointer(&self) -> Option<Pointer> {
        self.entity_pointer.clone()
    }

    fn refuse(&self, given: &[(&str, bool)], belongs: &str) -> Result<(), CliError> {
        match given.iter().find(|(_, given)| *given) {
            Some((option, _)) => Err(CliError::Usage(format!(
                "{option} is for a source of provider {belongs}, not {}",
                self.provider
            ))),
            None => Ok(()),
        }
    }
}
