"""The predicate language: a filter tree over the catalog, compiled to SQL with the rights of whoever asks.

A predicate is two-valued: a comparison with a missing or withheld value is false, and `not`, `ne`, `notIn` and `isNull`
are exact complements. Row rules use the same language with system rights.
"""
