"""The rules of a decision, one file a part of the road; `tamid.core.decide` puts them in order."""
