"""The store on a Weaviate server."""
