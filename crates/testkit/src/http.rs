use serde_json::Value;

/// An answer: status, headers by lower-case name, and its body.
#[derive(Debug)]
pub struct HttpAnswer {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub text: String,
}

/// Sends requests, one after the other on the same connection as far as the server keeps that.
pub struct HttpClient(ureq::Agent);

impl Default for HttpClient {
    fn default() -> Self {
        let settings = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .allow_non_standard_methods(true);
        Self(settings.build().into())
    }
}

impl HttpClient {
    /// Sends a request, and takes a failure for an answer. Fails when there is no answer.
    pub fn send(
        &self,
        url: &str,
        method: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Result<HttpAnswer, ureq::Error> {
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = match body {
            Some(body) => self.0.run(request.body(body.to_owned())?)?,
            None => self.0.run(request.body(())?)?,
        };
        let shown = |value: &ureq::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers =
            response.headers().iter().map(|(name, value)| (name.to_string(), shown(value))).collect();
        let text = response.body_mut().read_to_string()?;
        Ok(HttpAnswer { status: response.status().as_u16(), headers, text })
    }
}

/// Sends a request on a connection of its own, and takes a failure for an answer. Fails when there is no answer.
pub fn http_send(
    url: &str,
    method: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> Result<HttpAnswer, ureq::Error> {
    HttpClient::default().send(url, method, headers, body)
}

impl HttpAnswer {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// A header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// `_id` of the body; of a failed transaction, that of its details.
    pub fn id(&self) -> String {
        let body = self.json();
        let id = body.get("_id").or_else(|| body.pointer("/details/_id"));
        id.and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// `code` of a failure; 0 when there is none.
    pub fn code(&self) -> u64 {
        self.json().get("code").and_then(Value::as_u64).unwrap_or(0)
    }

    /// The names of a failure's details, sorted.
    pub fn faults(&self) -> Vec<String> {
        let body = self.json();
        let details = body.get("details").and_then(Value::as_object);
        let mut names: Vec<String> =
            details.into_iter().flat_map(|details| details.keys().cloned()).collect();
        names.sort();
        names
    }

    /// The answer is this failure, in the shape that every failure has.
    #[track_caller]
    pub fn fails(&self, status: u16, code: u64) -> &Self {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.text);
        let body = self.json();
        let told = |name: &str, kind: fn(&Value) -> bool| body.get(name).is_some_and(kind);
        assert!(told("message", Value::is_string) && told("timestamp", Value::is_u64), "{}", self.text);
        assert_eq!(self.header("content-type"), Some("application/json"));
        assert_eq!(self.header("x-request-id").map(str::len), Some(24));
        self
    }
}
