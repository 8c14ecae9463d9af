"""What others read of a running keeper: metrics, REST, streams and a dashboard, all off the engine's published snapshot.

No module here decides anything; `keeper.client` is the other end. Import the modules by name: a client needs no server.
"""

__all__: list[str] = []
