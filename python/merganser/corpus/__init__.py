"""Corpora: documents in, token shards out."""

from merganser.corpus.documents import Documents, read
from merganser.corpus.manifest import Manifest, ShardFile, ShardRecord
from merganser.corpus.shards import encode
from merganser.corpus.token_shards import TokenShards, open

__all__ = ["Documents", "Manifest", "ShardFile", "ShardRecord", "TokenShards", "encode", "open", "read"]
