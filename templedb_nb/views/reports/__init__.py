"""What a deployment came to, for those who read reports: JUnit's XML, Markdown, a page."""
