"""The commands of `keeper`, by what they are for. They parse, call and print; what they show is computed elsewhere."""

__all__: list[str] = []
