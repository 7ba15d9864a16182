import json

import pytest

from livedetect.errors import LivedetectError, SettingsError
from livedetect.settings import AlarmSettings, Settings, allowed_keys


def test_defaults_are_those_of_the_contract():
    settings = Settings()
    assert settings.method == "lattice"
    assert settings.false_markers_per_1000_frames == 1
    assert settings.warm_up_frames == 12
    assert settings.alarm == AlarmSettings(rule="none", limit=10.0, action="none")


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("method=patterson", {"method": "patterson"}),
        ("warm_up_frames=20", {"warm_up_frames": 20}),
        ("pixel_size_nm=0.02", {"pixel_size_nm": 0.02}),
        ("current_pA=50", {"current_pA": 50.0}),
        ("current_pA=none", {"current_pA": None}),
        ("roi=[0, 0, 10, 20]", {"roi": (0, 0, 10, 20)}),
        ("roi=0, 0, 10, 20", {"roi": (0, 0, 10, 20)}),
        ("exclude=[[1, 2, 3, 4]]", {"exclude": ((1, 2, 3, 4),)}),
        ("exclude=1, 2, 3, 4", {"exclude": ((1, 2, 3, 4),)}),
        ("exclude=[]", {"exclude": ()}),
        ("exclude=[1, 2, 3, 4], [5, 6, 7, 8]", {"exclude": ((1, 2, 3, 4), (5, 6, 7, 8))}),
        ("stream=swift/HAADF", {"stream": "swift/HAADF"}),
        (" nu = 0.1 ", {"nu": 0.1}),
    ],
)
def test_assignments_are_read_as_toml(assignment, expected):
    settings = Settings().with_assignments([assignment])
    assert {key: getattr(settings, key) for key in expected} == expected


@pytest.mark.parametrize("make", [list, tuple])
def test_rectangles_may_be_lists(make):
    rectangle = make([0, 0, 200, 100])
    settings = Settings(roi=rectangle, exclude=make([rectangle]))
    assert settings.roi == (0, 0, 200, 100)
    assert settings.exclude == ((0, 0, 200, 100),)
    assert hash(settings) == hash(Settings(roi=settings.roi, exclude=settings.exclude))


@pytest.mark.parametrize("wrong", [[0, 0, 9], [0, 0, 9, 9.5], [[0, 0, 9, 9]], [0, 0, -9, 9]])
def test_a_list_that_is_no_rectangle_is_refused(wrong):
    with pytest.raises(SettingsError, match="roi"):
        Settings(roi=wrong)


def test_dotted_and_nested_keys_mean_the_same():
    dotted = Settings().with_assignments(["alarm.rule=count", "alarm.limit=5"])
    nested = Settings().with_values({"alarm": {"rule": "count", "limit": 5}})
    assert dotted == nested
    assert dotted.alarm.limit == 5.0


@pytest.mark.parametrize(
    ("assignment", "named"),
    [
        ("method=fast", ["method", "fast", "lattice, patterson, semantic"]),
        ("warm_up_frames=2", ["warm_up_frames", "2", ">= 3"]),
        ("warm_up_frames=2.5", ["warm_up_frames", "int"]),
        ("warm_up_frames=true", ["warm_up_frames", "True"]),
        ("pixel_size_nm=nan", ["pixel_size_nm", "nan"]),
        ("pixel_size_nm=0", ["pixel_size_nm", ">= 1e-06"]),
        ("nu=0.6", ["nu", "<= 0.5"]),
        ("integrate=0", ["integrate = 0", "a whole number from 1 to 1000, or auto"]),
        ("alarm.action=explode", ["alarm.action", "explode", "stop_scan"]),
        ("alarm=count", ["alarm is a table"]),
        ("roi=[0, 0, 0, 20]", ["rectangle", "x1 > x0"]),
        ("roi=[0, 0, 5]", ["rectangle"]),
        ("roi=left", ["roi = 'left'", "a rectangle [x0, y0, x1, y1]"]),
        ("exclude=[0, 0, 9]", ["rectangle"]),
        ("exclude=[[[0, 0, 9, 9]]]", ["rectangles [[x0, y0, x1, y1], ...]"]),
        ("pixel_size_nm=0,02", ["pixel_size_nm", "a number"]),
        ("exclude=[[-1, 0, 5, 5]]", ["exclude"]),
        ("warm_up_frame=5", ["warm_up_frame", "did you mean 'warm_up_frames'"]),
        ("alarm.limits=5", ["alarm.limits", "did you mean 'alarm.limit'"]),
        ("method", ["key=value"]),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(assignment, named):
    with pytest.raises(SettingsError) as caught:
        Settings().with_assignments([assignment])
    for word in named:
        assert word in str(caught.value)


def test_the_error_is_also_a_value_error():
    assert issubclass(SettingsError, (LivedetectError, ValueError))
    with pytest.raises(ValueError, match="warm_up_frames"):
        Settings(warm_up_frames=0)


def test_toml_files_are_read(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text('method = "semantic"\n[alarm]\nrule = "density"\nlimit = 1\n', encoding="utf-8")
    settings = Settings.from_toml(path)
    assert settings.method == "semantic"
    assert (settings.alarm.rule, settings.alarm.limit) == ("density", 1.0)


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "does not exist"), (b"method = ", "not valid TOML"), (b"\xff\xfe", "cannot be read")],
)
def test_a_bad_file_is_named(tmp_path, content, said):
    path = tmp_path / "settings.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=said) as caught:
        Settings.from_toml(path)
    assert str(path) in str(caught.value)


def test_settings_survive_json():
    settings = Settings().with_assignments(["roi=[0, 0, 9, 9]", "alarm.rule=rate", "stream=b"])
    assert Settings().with_values(json.loads(json.dumps(settings.as_dict()))) == settings


def test_every_key_is_described():
    keys = allowed_keys()
    assert {"method", "alarm.rule", "exclude"} <= set(keys)
    assert all(len(text) > 10 for text in keys.values())
