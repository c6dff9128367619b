"""One module a page or a family of pages: routes that call use cases and render a context."""
