# One target a chore; each does all its set-up in a fresh clone. Python 3.11 or newer, pip, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test test-slow mutants fuzz wheel-test check release-check docs bench picture weights weights-gestures weights-gestures-2 weights-ncaltech101 memory-gestures clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

# The marker is newer than everything that decides what is installed.
$(VENV)/installed: pyproject.toml setup.py constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "\nhint: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(VENV)/installed ## a drawn person gestures and is understood early (video: demo/demo.mp4)
	$(BIN)/spikecut demo

test: $(VENV)/installed ## the test suite
	$(BIN)/python -m pytest -m 'not slow' -n auto --dist loadfile

test-slow: $(VENV)/installed ## the tests that take long
	$(BIN)/python -m pytest -m slow

mutants: $(VENV)/installed ## plants every bug of tests/planted_bugs.toml, one at a time: do the tests notice? (WORDS='wilson ltt': those only)
	$(BIN)/python tests/planted_bugs.py $(WORDS)

N ?= 100000
SEED ?= 0
SECONDS ?= 3600
fuzz: $(VENV)/installed ## damaged copies of every kind of file (N=100000 SEED=0 SECONDS=3600; ONLY=aedat3 INDEX=7: one again; PEERS=python: others beside)
	PYTHONPATH=tests $(BIN)/python -m fuzz --n $(N) --seed $(SEED) --seconds $(SECONDS) $(if $(ONLY),--only '$(ONLY)') $(if $(INDEX),--index $(INDEX)) $(if $(PEERS),--peers $(PEERS)) $(if $(INDEX)$(PEERS),,--write)

wheel-test: $(VENV)/installed ## the built wheel and the sdist, each alone in an empty environment, run the demo (minutes, 4 GB)
	$(BIN)/python tests/wheel_test.py

check: $(VENV)/installed ## formatting, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy -p spikecut
	$(BIN)/mypy tests benchmarks
	$(BIN)/lint-imports --no-logo

docs: $(VENV)/installed ## the reference of the Python names: build/docs/index.html (warnings are errors)
	$(BIN)/python docs/reference.py build/docs

release-check: check test test-slow wheel-test docs ## everything that must hold before a release (more than an hour)
	test -z "$$(git status --porcelain)" || { echo 'error: there are changes that are not committed'; exit 1; }
	grep -q "^## $$($(BIN)/python -c 'import spikecut; print(spikecut.__version__)')" CHANGELOG.md

bench: $(VENV)/installed ## times, as ratios measured in one run
	$(BIN)/python -m benchmarks

picture: $(VENV)/installed ## the README's moving picture
	$(BIN)/spikecut demo --count 2 --out demo/picture
	$(BIN)/spikecut run demo/picture/recordings/user24_natural.aedat --duration 5.3 --save docs/demo.webp --overwrite

weights: $(VENV)/installed ## trains, calibrates and measures the shipped network: make weights DATA=<folder of Train/>
	@test -n "$(DATA)" || { echo 'usage: make weights DATA=path/to/N-MNIST/Train'; exit 2; }
	$(BIN)/spikecut recipe nmnist --data $(DATA) --out runs/nmnist
	$(BIN)/spikecut replay $(DATA) --model runs/nmnist/seed0/nmnist.safetensors --part test
	cd runs/nmnist/seed0 && cp nmnist.safetensors nmnist.json $(addsuffix -2pt.json,$(addprefix nmnist.,fixed topk confidence ltt)) ../../../models/weights/

weights-gestures: $(VENV)/installed ## the same for the gestures, on drawn people (two hours on two cores, 9 GB)
	$(BIN)/spikecut train gestures --out runs/gestures-first --threads 2
	mkdir -p runs/gestures && ln -f runs/gestures-first/drawn*.npz runs/gestures/
	$(BIN)/spikecut train gestures --start runs/gestures-first/gestures.safetensors --epochs 10 --learning-rate 0.0015 --out runs/gestures --threads 2
	$(BIN)/spikecut simulate gestures runs/drawn_calibration --users 435 --part calibration --jobs 2
	$(BIN)/spikecut simulate gestures runs/drawn_test --users 435 --part test --jobs 2
	$(BIN)/spikecut calibrate runs/drawn_calibration --model runs/gestures/gestures.safetensors --rule fixed topk confidence ltt --tolerance 0.005 0.01 0.02 --overwrite
	$(BIN)/spikecut replay runs/drawn_test --model runs/gestures/gestures.safetensors --part test
	cp runs/gestures/gestures.safetensors runs/gestures/gestures*.json models/weights/

weights-gestures-2: $(VENV)/installed ## gestures and "no gesture", from the first stage in models/checkpoints (two and a half hours on two cores, 9 GB)
	$(BIN)/spikecut train gestures-2 --start models/checkpoints/gestures-2-first.safetensors --out runs/gestures-2 --threads 2
	$(BIN)/spikecut simulate gestures runs/drawn_calibration_quick --users 2085 --part calibration --quick --jobs 2
	$(BIN)/spikecut simulate movements runs/movements_calibration --users 435 --part calibration --jobs 2
	$(BIN)/spikecut calibrate runs/drawn_calibration_quick --model runs/gestures-2/gestures-2.safetensors --rule fixed topk confidence ltt ltt_fixed --tolerance 0.005 0.01 0.02 --gesture-free runs/movements_calibration --alarms-a-minute 0.5 --overwrite
	$(BIN)/spikecut simulate gestures runs/drawn_test --users 435 --part test --jobs 2
	$(BIN)/spikecut replay runs/drawn_test --model runs/gestures-2/gestures-2.safetensors --part test
	cp runs/gestures-2/gestures-2.safetensors runs/gestures-2/gestures-2*.json models/weights/

memory-gestures: $(VENV)/installed ## what the network gestures remembers of its classes, for spikecut teach (minutes)
	$(BIN)/spikecut simulate gestures runs/memory --users 60 --part train --quick --jobs 2
	$(BIN)/spikecut teach runs/memory --model gestures --remember --out models/weights/gestures

weights-ncaltech101: $(VENV)/installed ## the same for N-Caltech101, simulated: make weights-ncaltech101 IMAGES=<zip of Caltech-101> (an hour and a half)
	@test -n "$(IMAGES)" || { echo 'usage: make weights-ncaltech101 IMAGES=path/to/caltech101.zip'; exit 2; }
	$(BIN)/spikecut recipe ncaltech101 --images $(IMAGES) --out runs/ncaltech101-first
	$(BIN)/spikecut train tools/recipes/second/ncaltech101.toml --data runs/ncaltech101-first/Caltech101 --start runs/ncaltech101-first/seed0/ncaltech101.safetensors --seed 1 --out runs/ncaltech101/seed1
	$(BIN)/spikecut calibrate runs/ncaltech101-first/Caltech101 --model runs/ncaltech101/seed1/ncaltech101.safetensors --rule fixed topk confidence ltt_fixed ltt --tolerance 0.01 0.02 --or-never --overwrite
	$(BIN)/spikecut replay runs/ncaltech101-first/Caltech101 --model runs/ncaltech101/seed1/ncaltech101.safetensors --part test
	cd runs/ncaltech101/seed1 && cp ncaltech101.safetensors ncaltech101.json $(foreach rule,fixed topk confidence ltt_fixed ltt,$(addsuffix pt.json,$(addprefix ncaltech101.$(rule)-,1 2))) ../../../models/weights/

clean: ## removes the environment and what the demo wrote
	rm -rf $(VENV) demo build dist *.egg-info src/*.egg-info
