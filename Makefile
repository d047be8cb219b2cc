# Heptad for its developers and for a first look. Needs Python 3.11 or later, pip, and apt as root for `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SEED ?= 7
SIZE ?= 1
SERVE ?= yes
REAL ?= no
DEMO ?= demo
EXTRAS ?= demo
export NUMBA_CACHE_DIR ?= $(CURDIR)/$(VENV)/numba

.PHONY: demo install built console dev system check test bench soak format clean

demo: install built
	@$(BIN)/python -m heptad.terminal.demo --folder $(DEMO) --seed $(SEED) --size $(SIZE) \
	    --serve $(SERVE) --real $(REAL) $(if $(DATA),--data $(DATA))

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	@scripts/install $(PYTHON) $(VENV) '.[demo]' && touch $@

# The console, built into the package; without npm's packages one sentence says so and all else goes on.
built: install
	@$(BIN)/python scripts/console.py

# The same with hot reload, at http://localhost:5173, in front of a `heptad serve` on port 8080.
console: install
	@$(BIN)/python scripts/console.py dev

dev: $(VENV)/.dev

$(VENV)/.dev: pyproject.toml constraints.txt
	@scripts/install $(PYTHON) $(VENV) '.[deep,demo,geo,hbase,kafka,mqtt,postgres,redis,servers,spark,dev]' && touch $@ $(VENV)/.installed

system:
	@scripts/system

format: dev
	$(BIN)/ruff check --fix src tests benchmarks
	$(BIN)/ruff format src tests benchmarks

check: dev
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -m 'not slow and not soak and not postgres' -n 2 --dist loadfile

test: dev system built
	$(MAKE) check
	scripts/with-servers $(BIN)/python -m pytest -m '(slow or postgres) and not soak' \
	    -n 2 --dist loadfile --durations=15
	$(BIN)/python -m tests.readme

bench: dev
	$(BIN)/python -m benchmarks all --quick

soak: dev system built
	scripts/with-servers $(BIN)/python -m pytest -m 'soak or slow or postgres' --timeout=3600

clean:
	rm -rf $(VENV) $(DEMO) build dist console/node_modules src/heptad/terminal/console
