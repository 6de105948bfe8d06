"""A distribution with gates, laid out as an installer leaves it."""

import tomllib


def installed(folder, project, modules):
    """The folder to put on the path: modules, and the metadata of their distribution.

    Args:
        project: the text of its pyproject.toml.
        modules: name of a file to its text.
    """
    site, about = folder / "site", tomllib.loads(project)["project"]
    info = site / f"{about['name'].replace('-', '_')}-{about['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {about['version']}\n")
    points = about["entry-points"]["tallystick.gates"]
    lines = ["[tallystick.gates]", *(f"{name} = {value}" for name, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    for name, body in modules.items():
        (site / name).write_text(body)
    return site
