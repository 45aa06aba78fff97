{{ title|docstring }}

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version({{ distribution|quoted }})
except PackageNotFoundError:  # a checkout that is not installed
    __version__ = "0"
