"""What is announced and not told yet, in SQL."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select

from core.types import Announcement, ChannelRef, MessageRef
from storage.database import Database
from storage.tables import announcements


class SqlAnnouncements:
    def __init__(self, database: Database) -> None:
        self.database = database

    async def put_announcement(self, announcement: Announcement) -> None:
        far = {
            "channel": announcement.channel,
            "replies": [
                [ref.channel.platform, ref.channel.account, ref.channel.id, ref.id]
                for ref in announcement.replies
            ],
            "placing": announcement.placing,
        }
        insert = self.database.insert(announcements).values(
            id=announcement.id,
            text=announcement.text,
            at=announcement.at,
            **far,
        )
        upsert = insert.on_conflict_do_update(index_elements=["id"], set_=far)
        await self.database.write(lambda connection: connection.execute(upsert))

    async def drop_announcement(self, id: str) -> None:
        gone = delete(announcements).where(announcements.c.id == id)
        await self.database.write(lambda connection: connection.execute(gone))

    async def announcements(self) -> list[Announcement]:
        query = select(announcements).order_by(announcements.c.at)

        def work(connection: Connection) -> list[Announcement]:
            return [
                Announcement(
                    row.id,
                    row.channel,
                    row.text,
                    row.at,
                    tuple(MessageRef(ChannelRef(*channel), id) for *channel, id in row.replies),
                    row.placing,
                )
                for row in connection.execute(query)
            ]

        return await self.database.read(work)
