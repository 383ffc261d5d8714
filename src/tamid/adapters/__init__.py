"""Thin translations, one vendor a file, unknown to each other; only `tamid.app` names them."""
