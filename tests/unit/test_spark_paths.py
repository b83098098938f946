"""Paths handed to Spark, whose working directory is the one in which its process was started."""

from evaluation.data.spark import absolute, common_folder


def test_local_paths_do_not_depend_on_sparks_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute(["data/a.parquet", "/lake/b.parquet"]) == [str(tmp_path / "data/a.parquet"), "/lake/b.parquet"]


def test_addresses_stay_as_they_are():
    files = ["s3://bucket/year=2020/a.parquet", "s3://bucket/year=2021/a.parquet"]
    assert absolute(files) == files
    assert common_folder(absolute(files)) == "s3://bucket"
