//! What the telemetry is about: `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`, where `env=` grants them.
//! <https://opentelemetry.io/docs/specs/otel/resource/sdk/#specifying-resource-information-via-an-environment-variable>

use percent_encoding::percent_decode_str;
use sidecars_common::settings::Settings;

/// The attributes, of which one is the service's name: the job's, where nobody says otherwise.
pub fn attributes(job: &str, settings: &Settings) -> Vec<(String, String)> {
    let list = |text: &str| pairs(text).ok_or_else(|| "it is not a list such as name=value,name=value".to_owned());
    let mut attributes = settings.value("OTEL_RESOURCE_ATTRIBUTES", list).unwrap_or_default();
    let is_named = |attributes: &[(String, String)]| attributes.iter().any(|(name, _)| name == NAME);
    if let Some(name) = settings.text("OTEL_SERVICE_NAME") {
        attributes.retain(|(name, _)| name != NAME);
        attributes.push((NAME.to_owned(), name.to_owned()));
    } else if !is_named(&attributes) {
        attributes.push((NAME.to_owned(), job.to_owned()));
    }
    attributes
}

const NAME: &str = "service.name";

/// `name=value,name=value`, percent-encoded.
pub fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let decoded = |text: &str| Some(percent_decode_str(text.trim()).decode_utf8().ok()?.into_owned());
    let pair = |part: &str| {
        let (name, value) = part.split_once('=')?;
        Some((decoded(name).filter(|name| !name.is_empty())?, decoded(value)?))
    };
    text.split(',').filter(|part| !part.trim().is_empty()).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::pairs;

    #[test]
    fn a_list_of_pairs_is_percent_encoded() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(pairs("a=b, c=d%2Ce%3D ,"), Some(vec![pair("a", "b"), pair("c", "d,e=")]));
        assert_eq!(pairs(""), Some(vec![]));
        for text in ["a", "=b", "a=%FF"] {
            assert_eq!(pairs(text), None, "{text}");
        }
    }
}
