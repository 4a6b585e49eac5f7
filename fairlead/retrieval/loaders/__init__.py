"""From a file's bytes to a document's text: one module per format, each with a `load`."""
