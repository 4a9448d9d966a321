"""XML bodies on OCAPI's paths: entities, document types, encodings and depth are refused in its form."""

from pathlib import Path
from typing import Final

from tests.api.serving import Server
from tests.security.forms import failed
from tests.security.raw import ask

XML: Final = {"Content-Type": "application/xml"}
RUN: Final = "/dw/data/v17_4/jobs/Job/executions"
SEARCH: Final = "/dw/data/v17_4/job_execution_search"

LAUGHS: Final = "".join(
    f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' if n else '<!ENTITY l0 "ha">' for n in range(10)
)
REFUSED: Final[tuple[bytes, ...]] = (
    f"<!DOCTYPE d [{LAUGHS}]><d><parameters>&l9;</parameters></d>".encode(),
    b'<!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/passwd">]><d><a>&e;</a></d>',
    b'<!DOCTYPE d [<!ENTITY e SYSTEM "http://127.0.0.1:9/x">]><d><a>&e;</a></d>',
    b'<!DOCTYPE d SYSTEM "http://127.0.0.1:9/x.dtd"><d/>',
    b'<!DOCTYPE d PUBLIC "-//x//y" "http://127.0.0.1:9/x.dtd"><d/>',
    b'<!DOCTYPE d [<!ENTITY % p SYSTEM "http://127.0.0.1:9/p">%p;]><d/>',
    b"<!DOCTYPE d [<!ENTITY % a \"<!ENTITY b 'x'>\">%a;]><d>&b;</d>",
    b'<!DOCTYPE d [<!ATTLIST d a CDATA "x">]><d/>',
    b"<!DOCTYPE d><d/>",
    '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE d [<!ENTITY e "x">]><d>&e;</d>'.encode(
        "utf-16"
    ),
    '<?xml version="1.0" encoding="UTF-16BE"?><!DOCTYPE d><d/>'.encode("utf-16-be"),
    b'<?xml version="1.0" encoding="UTF-7"?>+ADw-d+AD4-+ADw-/d+AD4-',
    '<?xml version="1.0" encoding="UTF-7"?><!DOCTYPE d><d/>'.encode("utf-7"),
    b'<?xml version="1.0" encoding="UTF-32"?>' + "<d/>".encode("utf-32"),
    b'<?xml version="1.0" encoding="no-such-encoding"?><d/>',
    b'<?xml version="1.0" encoding="idna"?><d/>',
    b'<?xml version="1.0" encoding="rot13"?><d/>',
    b"<d>&undefined;</d>",
    b"<d>&#0;</d>",
    b"<d>&#xFFFF;</d>",
    b"<d>\xff\xfe</d>",
    b"<d><a>1</a><a>2</a></d>",
    b"<d>" + b"<a>" * 200 + b"</a>" * 200 + b"</d>",
    b"<a>" * 100_000,
    b"<d " + b" ".join(b'a="1"' for _ in range(2)) + b"/>",
    b"text",
    b"<d>text</d>",
    b"<d/><d/>",
    b"<d xmlns:x='x' x:a='1' x:a='2'/>",
    b"<d xi:href='file:///etc/passwd' xmlns:xi='http://www.w3.org/2001/XInclude'><a/><a/></d>",
)


async def test_hostile_documents_are_refused_in_the_form_of_the_api(server: Server) -> None:
    """Each gets a fault, quotes no file, starts nothing, and costs no more than its length."""
    await server.define()
    head = await server.head()
    for body in REFUSED:
        for path in (RUN, f"{RUN}.json", SEARCH):
            answer = await server.post(path, body, headers=XML)
            try:
                fault = failed("ocapi", answer)["fault"]
                assert answer.status == 400
                assert b"root:" not in answer.raw
                if path != SEARCH:
                    assert fault["type"] != "PropertyConstraintViolationException"
            except AssertionError as error:
                error.add_note(f"{path} {body[:120]!r}")
                raise
    assert await server.head() == head


async def test_external_entities_are_never_fetched(server: Server, tmp_path: Path) -> None:
    """A file that an entity names is not read, whatever its address looks like."""
    await server.define()
    secret = tmp_path / "secret.txt"
    secret.write_text("SECRET")
    for address in (secret.as_uri(), str(secret), f"file://localhost{secret}"):
        body = f'<!DOCTYPE d [<!ENTITY e SYSTEM "{address}">]><d><parameters>&e;</parameters></d>'
        answer = await server.post(RUN, body.encode(), headers=XML)
        failed("ocapi", answer, 400)
        assert b"SECRET" not in answer.raw


async def test_huge_attributes_and_names_are_within_the_bodys_limit(server: Server) -> None:
    """One enormous attribute, name or text is refused or read like any other body of its size."""
    await server.define()
    many = b" ".join(b'a%d="x"' % number for number in range(50_000))
    for body in (
        b'<d a="' + b"x" * 3_000_000 + b'"><parameters/></d>',
        b"<d " + many + b"><parameters/></d>",
        b"<d><" + b"n" * 1_000_000 + b"/></d>",
        b"<d><!--" + b"x" * 3_000_000 + b"--><parameters/></d>",
    ):
        answer = await ask(server, "POST", RUN, body, XML)
        assert answer.status in (200, 400), answer.raw[:300]
        if answer.status == 400:
            failed("ocapi", answer, 400)
    failed("ocapi", await ask(server, "POST", RUN, b"<d>" + b" " * 5_000_000 + b"</d>", XML), 413)


async def test_faults_and_documents_in_xml_are_well_formed(server: Server) -> None:
    """Whatever a caller's words hold, an answer in XML is XML that names no entity of its own."""
    for word in ("a&b", "a<b", 'a"b', "]]>", "<!ENTITY x>", "a\x0bb", "\ufffe", "é🙂"):
        term = {"fields": [word], "operator": "is", "values": [word]}
        search = {"query": {"term_query": term}}
        answer = await server.post(f"{SEARCH}.xml", search)
        assert answer.status == 400
        # Read by a parser of ours that takes no document type either.
        from api.dialects.ocapi.xml import from_xml  # noqa: PLC0415

        assert from_xml(answer.raw)["fault"]["type"]
