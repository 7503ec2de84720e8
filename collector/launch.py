"""`python -P …/collector/launch.py MODULE …`: runs `main` of a module of the package that this file
belongs to, installed or not.

`-P` keeps the working directory out of the module search: a file there called `secrets.py` would be
run in place of the standard library's. So the package has to be found by its place, and nothing
beside it is.
"""

import sys
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path

if __name__ == "__main__":
    package = Path(__file__).parent
    spec = PathFinder.find_spec(package.name, [str(package.parent)])
    if spec is None or spec.loader is None:
        sys.exit(f"There is no package {package}.")
    sys.modules[package.name] = module = module_from_spec(spec)
    spec.loader.exec_module(module)
    import_module(sys.argv[1]).main()
