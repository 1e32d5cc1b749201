async def export(*a, **k):
    raise NotImplementedError


async def import_(*a, **k):
    raise NotImplementedError
