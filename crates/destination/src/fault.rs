/// Why lines were not taken. Nothing that the other side said is repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It was not reached, or the connection ended.
    #[error("it is not reached: {0}")]
    Unreached(&'static str),
    /// It took too long.
    #[error("it took too long")]
    TimedOut,
    /// It answered with another status than a success.
    #[error("it answered with status {0}")]
    Status(u16),
    /// A file that the settings name.
    #[error("{0}")]
    File(String),
}
