"""What a program does before its first frame."""

from threadpoolctl import threadpool_info, threadpool_limits

from livedetect.commands.preparation import prepare_numerics


def test_linear_algebra_has_one_thread_in_the_engine():
    with threadpool_limits():  # restored afterwards
        said = []
        prepare_numerics(said.append)
        assert said == [] or "Compiling" in said[0]
        assert {pool["num_threads"] for pool in threadpool_info()} == {1}
