"""The ladder's input, as `mediation.inputs` builds it, under the name the running parts know."""

from mediation.inputs import context_of, move_of, offices_of

__all__ = ["context_of", "move_of", "offices_of"]
