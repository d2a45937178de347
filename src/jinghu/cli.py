"""The command line: thin shells; what they run is imported when they run."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from jinghu.cli_audit import audit_app
from jinghu.cli_bulletin import bulletin
from jinghu.cli_database import database_app
from jinghu.cli_drill import drill_app
from jinghu.cli_export import export
from jinghu.cli_hold import hold_app
from jinghu.cli_keys import keys_app
from jinghu.cli_nowcast import composite, nowcast
from jinghu.cli_outbox import deliver, outbox_app
from jinghu.cli_parts import ConfigOption, JsonOption
from jinghu.cli_parts import console as _console
from jinghu.cli_parts import emit as _emit
from jinghu.cli_people import audience_app
from jinghu.cli_proposals import proposals_app
from jinghu.cli_review import review
from jinghu.cli_rules import rules_app
from jinghu.cli_verify import verify
from jinghu.grid.errors import ConfigError, DataError, JinghuError, NotBuiltError

app = typer.Typer(
    name="jinghu",
    help="镜湖 Jinghu: where will it flood, who is standing there, and have they been told.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
cap_app = typer.Typer(help="CAP 1.2 alerts.", no_args_is_help=True)
clutter_app = typer.Typer(help="Maps of the ground's echo.", no_args_is_help=True)
app.add_typer(cap_app, name="cap")
app.add_typer(clutter_app, name="clutter")
app.add_typer(audience_app, name="audience")
app.add_typer(audit_app, name="audit")
app.add_typer(keys_app, name="keys")
app.add_typer(database_app, name="database")
app.add_typer(drill_app, name="drill")
app.add_typer(rules_app, name="rules")
app.add_typer(hold_app, name="hold")
app.add_typer(proposals_app, name="proposals")
app.add_typer(outbox_app, name="outbox")
app.command()(nowcast)
app.command()(composite)
app.command()(bulletin)
app.command()(deliver)
app.command()(export)
app.command()(review)
app.command()(verify)


def main() -> NoReturn:
    """Run the command line; errors are one line, with exit codes 1, 2 (usage), 3 (refused)."""
    debug = "--debug" in sys.argv
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    try:
        app(args=arguments, prog_name="jinghu")
    except JinghuError as error:
        if debug:
            raise
        print(f"jinghu: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(3 if isinstance(error, DataError) else 2 if isinstance(error, ConfigError) else 1)
    except OSError as error:  # disk full, a folder that may not be written
        if debug:
            raise
        where = f"{error.filename}: " if error.filename else ""
        print(f"jinghu: {where}{error.strerror or error}", file=sys.stderr)
        sys.exit(1)
    sys.exit(0)


@app.command()
def cycle(
    config: ConfigOption,
    time: Annotated[
        str | None, typer.Option(help="Analysis time, ISO 8601; now by default.")
    ] = None,
    radar: Annotated[list[Path] | None, typer.Option(help="Volumes or folders.")] = None,
    stations: Annotated[list[Path] | None, typer.Option(help="Station reports.")] = None,
    profiles: Annotated[list[Path] | None, typer.Option(help="Wind profiles or folders.")] = None,
    rivers: Annotated[list[Path] | None, typer.Option(help="River reports or folders.")] = None,
    model: Annotated[list[Path] | None, typer.Option(help="Model rain or folders.")] = None,
    weather: Annotated[list[Path] | None, typer.Option(help="Weather reports or folders.")] = None,
    store: Annotated[Path | None, typer.Option(help="Store folder.")] = None,
    engine: Annotated[
        str | None, typer.Option(help="Who extrapolates: jinghu, or pysteps to compare.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run one forecast cycle from what is there."""
    from jinghu.configs.settings import load
    from jinghu.cycle import CycleInputs, cycle_time, run_cycle
    from jinghu.report import cycle_report, print_report

    settings = load(config).with_store(store).with_engine(engine)
    now = datetime.now(UTC)
    inputs = CycleInputs(
        cycle_time(time, now, settings),
        now,
        radar or [settings.inputs.radar],
        stations or settings.inputs.stations,
        profiles or settings.inputs.profiles,
        rivers or settings.inputs.rivers,
        model or settings.inputs.model,
        weather or settings.inputs.weather,
    )
    console = _console()
    report = cycle_report(run_cycle(settings, inputs, console), settings)
    if as_json:
        _emit(report)
    else:
        print_report(report, console)


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="Port of the viewer.")] = 8080,
    serve: Annotated[bool, typer.Option(help="Open the viewer at the end.")] = True,
    store: Annotated[Path, typer.Option(help="Store folder.")] = Path("demo-store"),
    hours: Annotated[float, typer.Option(help="Length of the simulated event.")] = 3.0,
) -> None:
    """Run a simulated event through the whole chain, then open the viewer."""
    from jinghu.beside import import_beside

    import_beside()
    from jinghu.demo import run_demo

    run_demo(store, hours, _console(), port if serve else None)


@app.command("compile")
def compile_() -> None:
    """Compile all kernels after an installation, so that the first cycle is not late."""
    from jinghu.beside import import_beside

    import_beside()
    from jinghu.compiling import compiling

    console = _console()
    with compiling(console) as kernels:
        kernels.wait()
    console.print("计算核心已编译 all kernels are compiled")


@app.command()
def serve(
    config: ConfigOption,
    host: Annotated[str, typer.Option(help="Address; :: serves IPv4 and IPv6.")] = "::",
    port: Annotated[int, typer.Option()] = 8080,
) -> None:
    """Serve the API and the viewer."""
    from jinghu.api.app import create_app
    from jinghu.api.serve import run_server
    from jinghu.configs.settings import load
    from jinghu.desk import desk_of
    from jinghu.dispatch import dispatcher
    from jinghu.exports import FlowService

    settings = load(config)
    jobs = FlowService(settings)
    app = create_app(
        settings, dispatcher=dispatcher(settings), desk=desk_of(settings), flow_jobs=jobs
    )
    run_server(app, host, port)


@app.command()
def decode(
    files: Annotated[list[Path], typer.Argument(help="Radar volumes.")],
    out: Annotated[Path | None, typer.Option(help="CfRadial2 NetCDF, of one volume.")] = None,
    sites: Annotated[Path | None, typer.Option(help="Site table; the shipped one else.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Decode radar volumes and summarise them."""
    from jinghu.commands import decode_files

    for summary in decode_files(files, out, sites):
        if as_json:
            _emit(summary)
        else:
            print_summary(summary)


def print_summary(summary: dict[str, Any]) -> None:
    """Print one decoded volume for a person."""
    state = "complete" if summary["complete"] else "; ".join(summary["damage"])
    typer.echo(f"{summary['site']} {summary['band']} {summary['time']} {state}")
    for sweep in summary["sweeps"]:
        moments = ", ".join(
            f"{name} {m['min']}..{m['max']}" for name, m in sweep["moments"].items()
        )
        typer.echo(
            f"  {sweep['elevation']:5.2f} deg {sweep['rays']} rays"
            f" {sweep['gates']} gates of {sweep['gate_m']} m: {moments}"
        )


@app.command()
def mosaic(
    files: Annotated[list[Path], typer.Argument(help="Radar volumes.")],
    config: ConfigOption,
    time: Annotated[str, typer.Option(help="Time of the mosaic, ISO 8601.")],
    out: Annotated[Path, typer.Option(help="NetCDF to write.")],
    stations: Annotated[list[Path] | None, typer.Option(help="Station reports to merge.")] = None,
) -> None:
    """Rain analysis from volumes on the working grid."""
    from jinghu.commands import mosaic_files
    from jinghu.configs.settings import load
    from jinghu.grid.times import parse_time

    mosaic_files(files, stations or [], load(config), parse_time(time), out, _console())


@app.command()
def network(
    dem: Annotated[Path, typer.Argument(help="Elevation, GeoTIFF in a projected CRS.")],
    out: Annotated[Path, typer.Option(help="NetCDF to write.")],
) -> None:
    """River network from terrain."""
    from jinghu.commands import network_file

    network_file(dem, out, _console())


@app.command()
def route(
    network: Annotated[Path, typer.Argument(help="Network NetCDF.")],
    inflow: Annotated[Path, typer.Argument(help="q_lateral(time, reach) in m3/s.")],
    out: Annotated[Path, typer.Option(help="NetCDF to write.")],
    method: Annotated[
        str, typer.Option(help="muskingum-cunge, muskingum or kinematic.")
    ] = "muskingum-cunge",
) -> None:
    """Route lateral inflow through a network."""
    from jinghu.commands import route_file

    route_file(network, inflow, out, method)


@app.command()
def doctor(config: ConfigOption, as_json: JsonOption = False) -> None:
    """Check configuration, inputs, clock, disk, database, dependencies."""
    from jinghu.configs.settings import load
    from jinghu.doctor import examine

    findings = examine(load(config), datetime.now(UTC))
    if as_json:
        _emit([f.as_dict() for f in findings])
    else:
        for finding in findings:
            typer.echo(f"{'ok  ' if finding.good else 'MEND'} {finding.what}: {finding.text}")
    if not all(f.good for f in findings):
        raise typer.Exit(1)


@app.command()
def escalate(config: ConfigOption, as_json: JsonOption = False) -> None:
    """Pass unanswered tasks one level up and deliver what is due; for a timer of a minute."""
    from jinghu.answers import follow_up
    from jinghu.configs.settings import load

    found = follow_up(load(config), datetime.now(UTC))
    if as_json:
        _emit(found)
    else:
        typer.echo(", ".join(f"{name} {value}" for name, value in found.items()))


@cap_app.command("validate")
def cap_validate(
    files: Annotated[list[Path], typer.Argument(help="CAP 1.2 XML.")], as_json: JsonOption = False
) -> None:
    """Validate CAP 1.2 files by our rules."""
    from jinghu.warning_commands import validate_cap

    found = {str(file): problems for file, problems in validate_cap(files)}
    if as_json:
        _emit(found)
    else:
        for file, problems in found.items():
            typer.echo(f"{file}: {'valid' if not problems else f'{len(problems)} problems'}")
            for problem in problems:
                typer.echo(f"  {problem['place']}: {problem['message']} ({problem['rule']})")
    if any(found.values()):
        raise typer.Exit(3)


@cap_app.command("export")
def cap_export(
    identifier: Annotated[str, typer.Argument(help="Identifier of the alert.")],
    config: ConfigOption,
    national: Annotated[
        bool, typer.Option("--cn", help="With the identifiers and times of GB/T 35965.1.")
    ] = False,
) -> None:
    """Write an alert as CAP 1.2 to stdout, byte for byte as it was issued."""
    from jinghu.configs.settings import load
    from jinghu.warning_commands import export_cap

    sys.stdout.buffer.write(export_cap(identifier, load(config), national=national))


@clutter_app.command("learn")
def clutter_learn(
    files: Annotated[list[Path], typer.Argument(help="Radar volumes of dry times.")],
    out: Annotated[Path, typer.Option(help="Folder of the maps, as radar.clutter_maps names it.")],
    dry: Annotated[
        bool,
        typer.Option(
            "--dry", help="All are dry: looked at. Much ground needs it until it is known."
        ),
    ] = False,
    sites: Annotated[Path | None, typer.Option(help="Site table; the shipped one else.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Learn where the ground echoes from dry scans; maps that are there are carried on."""
    from jinghu.clutter_commands import learn_files

    report = learn_files(files, out, sites, all_dry=dry)
    if as_json:
        _emit(report)
        return
    for site in report["sites"]:
        typer.echo(
            f"{site['radar']}: {site['learned']} scans learned, {site['scans']} in the map,"
            f" {site['cells']} cells with ground -> {site['out']}"
        )
        if site["needed"]:
            typer.echo(f"  applied after {site['needed']} more")
    for refused in report["refused"]:
        typer.echo(f"{refused['file']}: left out: {refused['cause']}")


def _later(name: str, what: str) -> None:
    """Name a command of the contract that this version does not have yet."""
    options = {"ignore_unknown_options": True}  # those of the contract

    @app.command(name, help=f"Not in this version: {what}.", hidden=True, context_settings=options)
    def missing(rest: Annotated[list[str] | None, typer.Argument()] = None) -> None:
        raise NotBuiltError(f"jinghu {name}: it is not in this version: {what}")


for _name, _what in (
    ("run", "the service that runs cycles on schedule; use a systemd timer with jinghu cycle"),
    ("backfill", "replaying an archive"),
):
    _later(_name, _what)
