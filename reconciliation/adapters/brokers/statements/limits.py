"""The bounds of every statement file, in one place; docs/brokers/README.md shows them.

A real file is far below each of them. Beyond one, a file is refused before it costs memory or time.
"""

MEGABYTE = 1024 * 1024

#: A daily statement of a thousand accounts is below it. The option `max_file_megabytes` sets another.
DEFAULT_MAX_FILE_MEGABYTES = 64
#: Rows kept in memory at once, over all accounts of a file.
MAX_POSITIONS = 200_000
#: Statements, pages of statements and entries of a security list in a file.
MAX_STATEMENTS = 200_000
#: The same where a whole firm is compared at once: 100,000 accounts of 50 positions.
MAX_POSITIONS_OF_A_FIRM = 5_000_000
MAX_FILE_MEGABYTES_OF_A_FIRM = 2_048
#: Of a line in a text format.
MAX_LINE_CHARACTERS = MEGABYTE
#: Of a number as it is written; its digits are bounded by the domain.
MAX_NUMBER_CHARACTERS = 100
#: Of a value that an error quotes, and of all that it says about the file.
MAX_QUOTED_CHARACTERS = 100
MAX_PROBLEM_CHARACTERS = 600

#: Elements or blocks within each other; statements nest some ten deep.
MAX_DEPTH = 100
#: Of one tag with its attributes, of one comment, of the text of one element.
MAX_MARKUP_CHARACTERS = MEGABYTE
#: XML: different names of elements and attributes, which the parser keeps.
MAX_NAMES = 20_000

#: MT535: blocks within each other.
MAX_BLOCK_DEPTH = 32
#: MT535: lines and characters of one field. The longest of the standard has 10 lines of 35.
MAX_FIELD_LINES = 1_000
MAX_FIELD_CHARACTERS = 65_536
#: MT535: fields of one message, some 20,000 instruments. SWIFT itself carries 10,000 characters.
MAX_MESSAGE_FIELDS = 200_000
#: MT535: lines before the first message, and between two.
MAX_HEADER_LINES = 1_000
#: MT535 and semt.002: digits of a page number.
MAX_PAGE_DIGITS = 5
