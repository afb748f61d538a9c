"""Buffers are used again when nobody holds them, and never before."""

import threading

import numpy as np

from merganser.transformer.workspace import Workspace, workspace

SHAPE = (100, 200)


def test_workspace_does_not_hand_out_a_buffer_that_is_held():
    space = Workspace()
    first = space.empty(SHAPE, np.float32)
    view = first[3:5].T
    del first
    second = space.empty(SHAPE, np.float32)
    view[...] = 1
    second[...] = 2
    assert (view == 1).all()
    assert not np.shares_memory(view, second)


def test_workspace_hands_out_a_buffer_again_when_nobody_holds_it():
    space = Workspace()
    array = space.empty(SHAPE, np.float32)
    place = array.ctypes.data
    del array
    again = space.empty((200, 50), np.float64)
    assert again.ctypes.data == place
    assert again.shape == (200, 50)
    assert again.dtype == np.float64
    assert space.n_bytes < 1.2 * again.nbytes


def test_workspace_lets_go_of_what_two_steps_did_not_use():
    space = Workspace()
    space.empty(SHAPE, np.float32)
    for _ in range(2):
        space.end_step()
        assert space.n_bytes > 0
    space.end_step()
    assert space.n_bytes == 0


def test_workspace_is_bounded_when_shapes_vary():
    space = Workspace()
    for length in range(20, 2000):
        space.empty((length, 100), np.float32)
        space.end_step()
    assert space.n_bytes < 4 * 2000 * 100 * 4


def test_workspace_is_one_for_each_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(workspace()))
    thread.start()
    thread.join()
    assert found[0] is not workspace()
    assert workspace() is workspace()
