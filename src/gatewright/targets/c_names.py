"""What circuits hold as text of C: names, comments, strings and constant arrays."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: Keywords of C and C++, macros of their headers, functions that compilers know by name, and some
#: of POSIX, which a shared library would call in place of its own.
RESERVED = frozenset(
    """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl
    concept const const_cast consteval constexpr constinit continue co_await co_return co_yield
    decltype default delete do double dynamic_cast else enum explicit export extern false float
    for friend goto if import inline int long module mutable namespace new noexcept not not_eq
    nullptr operator or or_eq private protected public register reinterpret_cast requires restrict
    return short signed sizeof static static_assert static_cast struct switch template this
    thread_local throw true try typedef typeid typename typeof typeof_unqual union unsigned using
    virtual void volatile wchar_t while xor xor_eq

    NULL EOF BUFSIZ INFINITY NAN HUGE_VAL errno assert offsetof linux unix i386 complex imaginary
    I stdin stdout stderr main environ

    abort abs acos acosh aligned_alloc alloca asin asinh atan atan2 atanh atexit atof atoi atol
    atoll bcmp bcopy bsearch bzero cabs cacos cacosh calloc carg casin casinh catan catanh cbrt
    ccos ccosh ceil cexp cimag clog conj copysign cos cosh cpow cproj creal csin csinh csqrt ctan
    ctanh div drem erf erfc execl execle execlp execv execve execvp exit exp exp10 exp2 expm1 fabs
    fclose fdim ffs ffsl ffsll floor fma fmax fmin fmod fopen fork fprintf fputc fputs fread free
    frexp fscanf fwrite gamma getchar getenv gets gettext hypot ilogb imaxabs index isalnum
    isalpha isascii isblank iscntrl isdigit isgraph isinf isnan islower isprint ispunct isspace
    isupper isxdigit j0 j1 jn labs ldexp ldiv lgamma llabs lldiv llrint llround log log10 log1p
    log2 logb longjmp lrint lround malloc memchr memcmp memcpy memmove mempcpy memset mktime modf
    nan nearbyint nextafter nexttoward perror posix_memalign pow pow10 printf putc putchar puts
    qsort raise rand read realloc remainder remove remquo rename rewind rindex rint round
    roundeven scalb scalbln scalbn scanf setjmp signal signbit significand sin sincos sinh
    snprintf sprintf sqrt srand sscanf stpcpy stpncpy strcasecmp strcat strchr strcmp strcpy
    strcspn strdup strerror strfmon strftime strlen strncasecmp strncat strncmp strncpy strndup
    strnlen strpbrk strrchr strspn strstr strtod strtol strtoul system tan tanh tgamma time
    toascii tolower toupper trunc ungetc vfprintf vfscanf vprintf vscanf vsnprintf vsprintf
    vsscanf write y0 y1 yn

    accept access alarm bind chdir clone close connect dup fork glob kill link listen lseek mkdir
    mmap nice open pause pipe poll random recv select send sleep socket srandom stat sync truncate
    unlink usleep wait
    """.split()  # noqa: SIM905
)

#: Names that the standard headers, or later ones, may define.
_RESERVED_FORMS = re.compile(r"_.*|.*_t|(INT|UINT|SIZE|PTRDIFF).*_(MIN|MAX|C)")


def identifier(name: str) -> str:
    """The name as a C and C++ identifier that neither language nor its library uses.

    Other characters become underscores; `circuit_` stands before what still will not do. A library
    function's name with f or l after it (its float and long double forms) counts as used.

    >>> identifier("life"), identifier("4-bit adder"), identifier("int")
    ('life', 'circuit_4_bit_adder', 'circuit_int')
    """
    cleaned = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")
    is_usable = (
        re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", cleaned)
        and not _RESERVED_FORMS.fullmatch(cleaned)
        and RESERVED.isdisjoint((cleaned, re.sub(r"[fl]$", "", cleaned)))
    )
    return cleaned if is_usable else f"circuit_{cleaned}".rstrip("_")


def comment(name: str) -> str:
    """The name as ASCII on one line that neither ends nor opens a C comment."""
    plain = name.encode("unicode_escape").decode("ascii")
    return plain.replace("*/", "*\\/").replace("/*", "/\\*").replace("??", "?\\?")


def literal(text: str) -> str:
    """The text, in UTF-8, as a C string: what is not plain is escaped in octal, as C reads it."""
    plain = set(b" !#$%&'()*+,-./:;<=>@[]^_`{|}~") | set(
        b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    )
    octets = (chr(octet) if octet in plain else f"\\{octet:03o}" for octet in text.encode())
    return '"' + "".join(octets) + '"'


def array(name: str, kind: str, entries: Iterable[str]) -> str:
    """A constant array of numerals."""
    held = list(entries)
    return f"static const {kind} {name}[{len(held)}] = {{\n{wrapped(held)}}};\n"


def wrapped(items: Iterable[str]) -> str:
    """Items with commas between, in lines of at most 100 characters."""
    lines: list[str] = []
    line = " "
    for item in items:
        if len(line) + len(item) > 97:
            lines.append(line)
            line = " "
        line += f" {item},"
    return "".join(f"{one}\n" for one in [*lines, line])
