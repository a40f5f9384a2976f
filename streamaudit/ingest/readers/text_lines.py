"""Lines of text, as logs have them: every line is a record, in one pass over a file of any size.

The bytes are read as Latin-1, so that no byte in somebody's URL costs a line: what ids and figures consist of is the
same in UTF-8.
"""

READ = """
SELECT trim(line, chr(0) || chr(9) || chr(13) || ' ') AS text
FROM read_csv($files, auto_detect = false, header = false, columns = {line: 'VARCHAR'}, delim = chr(1), quote = '',
    escape = '', strict_mode = false, null_padding = true, encoding = 'latin-1', new_line = '\\n',
    max_line_size = 33554432, buffer_size = 67108864, compression = $compression)
WHERE trim(line, chr(0) || chr(9) || chr(13) || ' ') <> ''
"""
"""The lines of a file that are not blank, as ``text``; binds ``$files`` and ``$compression``. A line longer than 32 MB
fails the file."""
