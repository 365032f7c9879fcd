//! Reading `text/event-stream`: only what the live stream uses of it.

use crate::api::Live;

/// Collects `data:` lines up to an empty one.
#[derive(Default)]
pub(super) struct Lines {
    /// The line that has not ended yet.
    rest: Vec<u8>,
    data: Vec<u8>,
}

impl Lines {
    /// What is complete with this chunk. Whatever is not a batch of this
    /// version is passed over: the next batch brings the cursor up again.
    pub(super) fn feed(&mut self, chunk: &[u8]) -> Vec<Live> {
        let mut batches = Vec::new();
        self.rest.extend_from_slice(chunk);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = line.trim_ascii_end();
            if line.is_empty() {
                batches.extend(serde_json::from_slice::<Live>(&std::mem::take(&mut self.data)).ok());
            } else if let Some(data) = line.strip_prefix(b"data:") {
                if !self.data.is_empty() {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(data.trim_ascii_start());
            }
        }
        batches
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn batches_are_read_however_they_are_cut() {
        let text = ": hello\n\ndata: {\"changes\":null,\"status\":null}\n\ndata: {\"changes\":{\"rows\":[],\ndata: \"cursor\":7,\"more\":false,\"reset\":false},\"status\":null}\r\n\r\n";
        for size in [1, 2, 7, 30, text.len()] {
            let mut lines = Lines::default();
            let batches: Vec<_> = text.as_bytes().chunks(size).flat_map(|chunk| lines.feed(chunk)).collect();
            assert_eq!(batches.len(), 2, "chunks of {size}");
            assert_eq!(batches[1].changes.as_ref().unwrap().cursor, 7);
        }
    }
}
