"""``streamaudit reprice``."""

from streamaudit.cli.options import Access


def command(access: Access) -> int:
    """Price the stored calls again, after the price file or the installed prices have changed.

    Example: streamaudit reprice
    """
    from streamaudit.cli import console
    from streamaudit.errors import EXIT_OK
    from streamaudit.store.pricing.reprice import reprice

    access.speak()
    with access.open(write=True, create=False) as store:
        changed = reprice(store, access.settings.price_file())
    console.note(f"{changed:,} calls have another price now; costs that their source reported stay as they are")
    return EXIT_OK
