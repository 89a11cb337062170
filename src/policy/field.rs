//! A field, set or left open; and groups of fields, which are read, layered and described alike.
//!
//! A group is declared once, with [`group!`]: its fields, their types, and their meaning. The names that a file may
//! use, the reading, the layering and the schema all come from that declaration.

use std::fmt;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value as Json};

use crate::policy::rank::{Rank, RankClass};
use crate::policy::reader::{Entry, Reader, Value};
use crate::policy::source::Place;

/// A value that a field can have.
pub(crate) trait Leaf: Clone + PartialEq + fmt::Debug {
    /// Reads it, or notes the mistake.
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self>;
    /// JSON schema of the value in a file.
    fn schema(generator: &mut SchemaGenerator) -> Schema;
}

/// A field that may be set: its value, its place, and the class of its table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field<T>(Option<(T, Place, RankClass)>);

/// A field by its name, the place where it is set, and its rank.
pub(crate) type Placed = (String, Place, Rank);

impl<T> Default for Field<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Field<T> {
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.as_ref().map(|(value, ..)| value)
    }

    pub(crate) fn place(&self) -> Option<&Place> {
        self.0.as_ref().map(|(_, place, _)| place)
    }

    pub(crate) fn is_said(&self) -> bool {
        self.0.is_some()
    }
}

impl<T: Clone> Field<T> {
    pub(crate) fn cloned(&self) -> Option<T> {
        self.get().cloned()
    }
}

/// Something under a key: a value, or a group of fields.
pub(crate) trait Keyed {
    /// Reads it, or notes its mistakes.
    fn read(&mut self, value: &Value<'_>, reader: &mut Reader);
    /// Takes over the fields that `later` sets, as of this class. The others stay.
    fn layer(&mut self, later: &Self, class: RankClass);
    /// Unsets the fields for which `is_forgotten` holds, by name.
    fn forget(&mut self, name: &str, is_forgotten: &dyn Fn(&str) -> bool);
    /// Collects the fields that are set, by name.
    fn places(&self, name: &str, places: &mut Vec<Placed>);
    /// JSON schema of the value in a file.
    fn schema(generator: &mut SchemaGenerator) -> Schema;
}

impl<T: Leaf> Keyed for Field<T> {
    fn read(&mut self, value: &Value<'_>, reader: &mut Reader) {
        let place = reader.place(value.span());
        // The class is provisional: `layer` replaces it by that of the table.
        self.0 = T::read(value, reader).map(|value| (value, place, RankClass::Child));
    }

    fn layer(&mut self, later: &Self, class: RankClass) {
        if let Some((value, place, _)) = &later.0 {
            self.0 = Some((value.clone(), place.clone(), class));
        }
    }

    fn forget(&mut self, name: &str, is_forgotten: &dyn Fn(&str) -> bool) {
        if self.is_said() && is_forgotten(name) {
            self.0 = None;
        }
    }

    fn places(&self, name: &str, places: &mut Vec<Placed>) {
        if let Some((_, place, class)) = &self.0 {
            places.push((name.into(), place.clone(), Rank { class: *class, by: place.by() }));
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        T::schema(generator)
    }
}

/// Fields that stand in one table.
pub(crate) trait Group: Default + 'static {
    /// Name of one of its fields in messages.
    const WHAT: &'static str;
    /// Names of the fields.
    const NAMES: &'static [&'static str];
    /// Reads the field of this name; `false` if there is none.
    fn read_field(&mut self, name: &str, value: &Value<'_>, reader: &mut Reader) -> bool;
    fn layer_fields(&mut self, later: &Self, class: RankClass);
    fn forget_fields(&mut self, prefix: &str, is_forgotten: &dyn Fn(&str) -> bool);
    fn field_places(&self, prefix: &str, places: &mut Vec<Placed>);
    /// Name, description and schema of each field.
    fn properties(generator: &mut SchemaGenerator) -> Vec<(&'static str, String, Schema)>;
    /// Reads a short form of the whole group; `false` if the value is none.
    fn read_short(&mut self, _: &Value<'_>, _: &mut Reader) -> bool {
        false
    }
    fn short_schema(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }
    /// Advice for a name that is not one of these fields, but one of another group.
    fn elsewhere(_: &str) -> Option<String> {
        None
    }

    /// Reads these entries of a table.
    fn read_entries(&mut self, entries: &[Entry<'_, '_>], reader: &mut Reader) {
        for (key, value) in entries {
            if !self.read_field(key.get_ref(), value, reader) {
                reader.unknown(key, Self::WHAT, Self::NAMES, Self::elsewhere(key.get_ref()));
            }
        }
    }
}

impl<G: Group> Keyed for G {
    fn read(&mut self, value: &Value<'_>, reader: &mut Reader) {
        if !self.read_short(value, reader)
            && let Some(entries) = reader.table(value, "a table")
        {
            self.read_entries(&entries, reader);
        }
    }

    fn layer(&mut self, later: &Self, class: RankClass) {
        self.layer_fields(later, class);
    }

    fn forget(&mut self, name: &str, is_forgotten: &dyn Fn(&str) -> bool) {
        self.forget_fields(&format!("{name}."), is_forgotten);
    }

    fn places(&self, name: &str, places: &mut Vec<Placed>) {
        self.field_places(&format!("{name}."), places);
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = Map::new();
        for (name, about, mut schema) in G::properties(generator) {
            schema.insert("description".into(), about.into());
            properties.insert(name.into(), schema.into());
        }
        let table = json_schema!({
            "type": "object",
            "properties": Json::Object(properties),
            "additionalProperties": false,
        });
        match G::short_schema(generator) {
            Some(short) => json_schema!({ "anyOf": [short, table] }),
            None => table,
        }
    }
}

/// Declares a group of fields.
macro_rules! group {
    (
        $(#[$about:meta])* $what:literal
        struct $name:ident { $( $(#[doc = $doc:literal])+ $field:ident: $type:ty, )+ }
        $($more:tt)*
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub(crate) struct $name { $( $(#[doc = $doc])+ pub(crate) $field: $type, )+ }

        impl $crate::policy::field::Group for $name {
            const WHAT: &'static str = $what;
            const NAMES: &'static [&'static str] = &[$(stringify!($field)),+];

            fn read_field(&mut self, name: &str, value: &Value<'_>, reader: &mut Reader) -> bool {
                match name {
                    $( stringify!($field) => $crate::policy::field::Keyed::read(&mut self.$field, value, reader), )+
                    _ => return false,
                }
                true
            }

            fn layer_fields(&mut self, later: &Self, class: $crate::policy::rank::RankClass) {
                $( $crate::policy::field::Keyed::layer(&mut self.$field, &later.$field, class); )+
            }

            fn forget_fields(&mut self, prefix: &str, is_forgotten: &dyn Fn(&str) -> bool) {
                $( $crate::policy::field::Keyed::forget(
                    &mut self.$field, &format!("{prefix}{}", stringify!($field)), is_forgotten,
                ); )+
            }

            fn field_places(&self, prefix: &str, places: &mut Vec<$crate::policy::field::Placed>) {
                $( $crate::policy::field::Keyed::places(
                    &self.$field, &format!("{prefix}{}", stringify!($field)), places,
                ); )+
            }

            fn properties(generator: &mut SchemaGenerator) -> Vec<(&'static str, String, Schema)> {
                vec![$( (
                    stringify!($field),
                    [$($doc.trim()),+].join(" "),
                    <$type as $crate::policy::field::Keyed>::schema(generator),
                ), )+]
            }

            $($more)*
        }
    };
}

pub(crate) use group;
