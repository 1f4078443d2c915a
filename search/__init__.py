"""Finding: passages, embeddings, the index over Qdrant, queries and ranking."""
