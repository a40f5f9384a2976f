"""``streamaudit reprice``."""

from streamaudit.cli.inputs import Access


def command(access: Access) -> int:
    """Price the stored calls again, after the price file or the installed prices have changed.

    Example: streamaudit reprice
    """
    from streamaudit.cli import console
    from streamaudit.errors import EXIT_OK
    from streamaudit.report.numbers import count
    from streamaudit.store.pricing.reprice import reprice
    from streamaudit.store.views.keep import keep_taxes

    access.speak()
    with access.open(write=True, create=False) as store:
        changed = reprice(store, access.settings.price_file())
        keep_taxes(store)
    console.note(f"repriced {count(changed, 'call')}; costs reported by the source are never changed")
    return EXIT_OK
