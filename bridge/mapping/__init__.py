"""The declarative tables: files in, decisions out. No sockets, no asyncio, no store."""
