//! Texts that are checked as they are read, and travel as what they are.

/// Lets serde read a type by its `FromStr`, and write the text it holds.
macro_rules! by_its_text {
    ($name:ty) => {
        impl TryFrom<String> for $name {
            type Error = <$name as std::str::FromStr>::Err;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(checked: $name) -> Self {
                checked.0
            }
        }
    };
}

pub(crate) use by_its_text;
