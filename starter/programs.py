# ruff: noqa: E501  (a program reads best on one line)
"""The small programs that the starter model knows: language, what is asked, and what running the
answer's first fenced block must print.

Python and shell: standard output; SQL: rows of the last query in SQLite, columns joined with "|",
after `setup` was run. Shell runs in a folder where the files of `SHELL_FILES` lie.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CodeTask:
    """One small program; `prints` is the exact output (stripped) that running the answer gives."""

    id: str
    language: str
    asks: str
    code: str
    prints: str
    setup: str = ""


SHELL_FILES = {
    "notes.txt": "apple\nbanana\napple\ncherry\n",
    "log.txt": "ok start\nerror one\nok middle\nerror two\nok end\n",
    "data.csv": "name,age\nAda,36\nBob,25\n",
}

_PEOPLE = (
    "create table people (name text, age integer, city text);"
    "insert into people values ('Ada', 36, 'London'), ('Bob', 25, 'Paris'), ('Eve', 41, 'Paris');"
    "create table orders (id integer, name text, total integer);"
    "insert into orders values (1, 'Ada', 30), (2, 'Bob', 10), (3, 'Ada', 20);"
)


def _py(id_: str, asks: str, code: str, prints: str) -> CodeTask:
    return CodeTask(f"py_{id_}", "python", asks, code, prints)


def _sh(id_: str, asks: str, code: str, prints: str) -> CodeTask:
    return CodeTask(f"sh_{id_}", "sh", asks, code, prints)


def _sql(id_: str, asks: str, code: str, prints: str) -> CodeTask:
    return CodeTask(f"sql_{id_}", "sql", asks, code, prints, _PEOPLE)


CODE = (
    _py("hello", "print hello world", 'print("Hello, world")', "Hello, world"),
    _py("reverse", "reverse a string", 'text = "mynah"\nprint(text[::-1])', "hanym"),
    _py("sum", "sum a list of numbers", "numbers = [1, 2, 3]\nprint(sum(numbers))", "6"),
    _py(
        "max", "find the largest number in a list", "numbers = [4, 9, 2]\nprint(max(numbers))", "9"
    ),
    _py("sort", "sort a list", "numbers = [3, 1, 2]\nprint(sorted(numbers))", "[1, 2, 3]"),
    _py(
        "even",
        "check whether a number is even",
        "def is_even(n):\n    return n % 2 == 0\n\nprint(is_even(4))",
        "True",
    ),
    _py(
        "factorial",
        "compute a factorial",
        "import math\n\nprint(math.factorial(5))",
        "120",
    ),
    _py(
        "fibonacci",
        "print the first Fibonacci numbers",
        "a, b = 0, 1\nfor _ in range(6):\n    print(a)\n    a, b = b, a + b",
        "0\n1\n1\n2\n3\n5",
    ),
    _py(
        "count_to",
        "a loop that counts to five",
        "for i in range(1, 6):\n    print(i)",
        "1\n2\n3\n4\n5",
    ),
    _py("words", "count the words in a text", 'text = "a b c"\nprint(len(text.split()))', "3"),
    _py(
        "vowels",
        "count the vowels in a word",
        'word = "banana"\nprint(sum(c in "aeiou" for c in word))',
        "3",
    ),
    _py(
        "palindrome",
        "check for a palindrome",
        'word = "level"\nprint(word == word[::-1])',
        "True",
    ),
    _py(
        "average",
        "average (mean) of numbers",
        "numbers = [2, 4, 6]\nprint(sum(numbers) / len(numbers))",
        "4.0",
    ),
    _py(
        "dict",
        "loop over a dictionary",
        'ages = {"Ada": 36, "Bob": 25}\nfor name, age in ages.items():\n    print(name, age)',
        "Ada 36\nBob 25",
    ),
    _py(
        "squares",
        "a list comprehension (squares)",
        "print([n * n for n in range(4)])",
        "[0, 1, 4, 9]",
    ),
    _py(
        "unique",
        "remove duplicates from a list",
        "items = [1, 1, 2]\nprint(list(set(items)))",
        "[1, 2]",
    ),
    _py("upper", "make a text upper case", 'print("mynah".upper())', "MYNAH"),
    _py("join", "join words with commas", 'print(", ".join(["a", "b", "c"]))', "a, b, c"),
    _py(
        "json",
        "read (parse) JSON",
        'import json\n\ndata = json.loads(\'{"a": 1}\')\nprint(data["a"])',
        "1",
    ),
    _py(
        "class",
        "define a class",
        'class Bird:\n    def speak(self):\n        return "hi"\n\nprint(Bird().speak())',
        "hi",
    ),
    _py(
        "try",
        "catch an exception",
        'try:\n    print(1 / 0)\nexcept ZeroDivisionError:\n    print("not possible")',
        "not possible",
    ),
    _sh("list", "list the files of a folder", "ls", "data.csv\nlog.txt\nnotes.txt"),
    _sh("lines", "count the lines of notes.txt", "wc -l < notes.txt", "4"),
    _sh(
        "grep", "find the lines with error in log.txt", "grep error log.txt", "error one\nerror two"
    ),
    _sh("count_errors", "count how many lines have error in log.txt", "grep -c error log.txt", "2"),
    _sh("head", "show the first two lines of notes.txt", "head -n 2 notes.txt", "apple\nbanana"),
    _sh("tail", "show the last line of log.txt", "tail -n 1 log.txt", "ok end"),
    _sh(
        "sort_uniq",
        "sort notes.txt without duplicates",
        "sort -u notes.txt",
        "apple\nbanana\ncherry",
    ),
    _sh("echo", "print hello in the shell", "echo hello", "hello"),
    _sh("mkdir", "make a folder called new", "mkdir new && ls -d new", "new"),
    _sh("column", "print the first column of data.csv", "cut -d , -f 1 data.csv", "name\nAda\nBob"),
    _sh(
        "replace",
        "replace apple by pear in notes.txt",
        "sed s/apple/pear/ notes.txt",
        "pear\nbanana\npear\ncherry",
    ),
    _sql(
        "all",
        "all rows of the table people",
        "select * from people;",
        "Ada|36|London\nBob|25|Paris\nEve|41|Paris",
    ),
    _sql("count", "count the people", "select count(*) from people;", "3"),
    _sql("older", "people older than 30", "select name from people where age > 30;", "Ada\nEve"),
    _sql("order", "people sorted by age", "select name from people order by age;", "Bob\nAda\nEve"),
    _sql("avg", "average age of people", "select avg(age) from people;", "34.0"),
    _sql(
        "oldest", "the oldest person", "select name from people order by age desc limit 1;", "Eve"
    ),
    _sql(
        "group",
        "how many people in each city",
        "select city, count(*) from people group by city;",
        "London|1\nParis|2",
    ),
    _sql("distinct", "the different cities", "select distinct city from people;", "London\nParis"),
    _sql(
        "join",
        "join people with their orders",
        "select people.city, orders.total from people join orders on people.name = orders.name order by orders.id;",
        "London|30\nParis|10\nLondon|20",
    ),
    _sql(
        "sum",
        "the total of the orders per name",
        "select name, sum(total) from orders group by name;",
        "Ada|50\nBob|10",
    ),
)
