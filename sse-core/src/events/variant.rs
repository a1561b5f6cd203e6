//! Makes a variant from its number and its data, through the enum's own `Deserialize`.

use serde::{
    Deserialize as _, Deserializer,
    de::{
        DeserializeOwned, DeserializeSeed, EnumAccess, Error as _, IntoDeserializer as _, Unexpected,
        VariantAccess, Visitor, value::U32Deserializer,
    },
    forward_to_deserialize_any,
};
use serde_json::{Error, de::StrRead};

/// The variant of this number, in the order of declaration, with `data` as its JSON.
pub(super) fn decode_variant<T: DeserializeOwned>(index: usize, data: &str) -> Result<T, Error> {
    let index = u32::try_from(index).map_err(|_| Error::custom("an enum has fewer variants"))?;
    let mut json = serde_json::Deserializer::from_str(data);
    let event = T::deserialize(Variant {
        index,
        json: &mut json,
    })?;
    json.end()?;
    Ok(event)
}

struct Variant<'a, 'de> {
    index: u32,
    json: &'a mut serde_json::Deserializer<StrRead<'de>>,
}

impl<'de> Deserializer<'de> for Variant<'_, 'de> {
    type Error = Error;

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        Err(Error::invalid_type(Unexpected::Enum, &visitor))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let index: U32Deserializer<Error> = self.index.into_deserializer();
        Ok((seed.deserialize(index)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        <()>::deserialize(self.json)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.json)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        Err(Error::invalid_type(Unexpected::TupleVariant, &visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        // As a map, because serde_json also accepts a sequence for a struct.
        self.json.deserialize_map(visitor)
    }
}
