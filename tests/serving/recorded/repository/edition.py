"""Which edition of the definitions this is: the second has one feature more. Written anew by whoever applies."""

EDITION = 2
