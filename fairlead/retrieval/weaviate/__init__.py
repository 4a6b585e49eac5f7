"""The store on a Weaviate server. Needs the extra: `pip install 'fairlead[weaviate]'`."""

from fairlead.retrieval.weaviate.index import WeaviateStore

__all__ = ["WeaviateStore"]
