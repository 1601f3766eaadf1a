use crate::http::http_send;

/// A notification, signed: what is sent to who subscribed.
#[derive(Clone, Debug)]
pub struct Notification {
    /// The headers that matter.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: String,
}

impl Notification {
    /// Sends it; the status and body of the answer.
    pub fn send(&self, url: &str) -> (u16, String) {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(self.headers.iter().map(|(name, value)| (*name, value.as_str())));
        let answer = http_send(url, "POST", &headers, Some(&self.body));
        let answer = answer.unwrap_or_else(|error| panic!("a notification was not answered: {error}"));
        (answer.status, answer.text)
    }
}
