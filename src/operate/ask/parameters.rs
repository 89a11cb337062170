//! Parameters of a request, as they stand in its address.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

/// Returns the path with the fields of `parameters` behind it. Empty fields, and those that are `false`, are left out.
pub(crate) fn address<P: Serialize>(path: &str, parameters: &P) -> String {
    let mut address = path.to_owned();
    let fields = match serde_json::to_value(parameters) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => return address,
    };
    let mut before = '?';
    for (name, value) in fields {
        let text = match value {
            Value::Null | Value::Bool(false) | Value::Array(_) | Value::Object(_) => continue,
            Value::String(text) => text,
            Value::Bool(true) | Value::Number(_) => value.to_string(),
        };
        address.push(before);
        before = '&';
        escape(&name, &mut address);
        address.push('=');
        escape(&text, &mut address);
    }
    address
}

fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            // Writing to a `String` cannot fail.
            byte => drop(write!(out, "%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::address;
    use crate::admin::wire::query::{ServiceQuery, ServicesQuery};

    #[test]
    fn a_path_with_any_letters_stays_one_parameter() {
        let query = ServiceQuery { path: "shop/a&b=c d?#/é%".into(), viewer: None };
        assert_eq!(address("/v1/service", &query), "/v1/service?path=shop%2Fa%26b%3Dc%20d%3F%23%2F%C3%A9%25");
    }

    #[test]
    fn what_is_not_asked_for_is_left_out() {
        let query = ServicesQuery { limit: Some(7), ..ServicesQuery::default() };
        assert_eq!(address("/v1/services", &query), "/v1/services?limit=7&sort=path");
    }
}
