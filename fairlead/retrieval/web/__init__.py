"""Pages from the web, fetched as a careful guest: nowhere private, within limits, by the robots."""
