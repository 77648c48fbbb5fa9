"""The room stays light to import."""

import subprocess
import sys


def test_importing_the_room_imports_neither_torch_nor_scikit_learn():
    program = (
        "import sys, layerlab.projection; "
        "print([m for m in ('torch', 'sklearn', 'scipy.stats', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_arrays_never_need_torch_where_a_formula_does():
    program = (
        "import sys, layerlab.projection as p; "
        "p.minimum_dimension(10, 0.5); p.relu_angle(0.3); p.tanh_kernel(0.3); "
        "p.random_map('gaussian', 5, 2)([[1.] * 5]); "
        "p.class_separation([[0.], [1.]], [0, 1]); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
