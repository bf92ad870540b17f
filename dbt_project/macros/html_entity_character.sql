{# The character that one piece of text stands for, if the piece is an entity; else the piece. #}
{% macro html_entity_character(piece) -%}
    {%- set names = {
        'nbsp': 160, 'iexcl': 161, 'cent': 162, 'pound': 163, 'curren': 164, 'yen': 165, 'sect': 167, 'uml': 168,
        'copy': 169, 'ordf': 170, 'laquo': 171, 'not': 172, 'shy': 173, 'reg': 174, 'deg': 176, 'plusmn': 177,
        'sup2': 178, 'sup3': 179, 'acute': 180, 'micro': 181, 'para': 182, 'middot': 183, 'sup1': 185, 'ordm': 186,
        'raquo': 187, 'frac14': 188, 'frac12': 189, 'frac34': 190, 'iquest': 191, 'Agrave': 192, 'Aacute': 193,
        'Acirc': 194, 'Atilde': 195, 'Auml': 196, 'Aring': 197, 'AElig': 198, 'Ccedil': 199, 'Egrave': 200,
        'Eacute': 201, 'Ecirc': 202, 'Euml': 203, 'Iacute': 205, 'Icirc': 206, 'Iuml': 207, 'Ntilde': 209,
        'Oacute': 211, 'Ocirc': 212, 'Otilde': 213, 'Ouml': 214, 'times': 215, 'Oslash': 216, 'Uacute': 218,
        'Ucirc': 219, 'Uuml': 220, 'szlig': 223, 'agrave': 224, 'aacute': 225, 'acirc': 226, 'atilde': 227,
        'auml': 228, 'aring': 229, 'aelig': 230, 'ccedil': 231, 'egrave': 232, 'eacute': 233, 'ecirc': 234,
        'euml': 235, 'igrave': 236, 'iacute': 237, 'icirc': 238, 'iuml': 239, 'ntilde': 241, 'ograve': 242,
        'oacute': 243, 'ocirc': 244, 'otilde': 245, 'ouml': 246, 'divide': 247, 'oslash': 248, 'ugrave': 249,
        'uacute': 250, 'ucirc': 251, 'uuml': 252, 'yacute': 253, 'yuml': 255, 'OElig': 338, 'oelig': 339,
        'Scaron': 352, 'scaron': 353, 'ensp': 32, 'emsp': 32, 'thinsp': 32, 'zwnj': 8204, 'zwj': 8205,
        'ndash': 8211, 'mdash': 8212, 'lsquo': 8216, 'rsquo': 8217, 'sbquo': 8218, 'ldquo': 8220, 'rdquo': 8221,
        'bdquo': 8222, 'dagger': 8224, 'bull': 8226, 'hellip': 8230, 'prime': 8242, 'lsaquo': 8249, 'rsaquo': 8250,
        'euro': 8364, 'trade': 8482, 'larr': 8592, 'uarr': 8593, 'rarr': 8594, 'darr': 8595, 'minus': 8722,
        'ne': 8800, 'le': 8804, 'ge': 8805, 'check': 10003
    } -%}
    {%- set hexadecimal = html_code_point(piece, is_hexadecimal=true) -%}
    {%- set decimal = html_code_point(piece, is_hexadecimal=false) -%}
    case
        when {{ piece }} not like '&%;' then {{ piece }}
        when {{ piece }} = '&amp;' then '&'
        when {{ piece }} = '&lt;' then '<'
        when {{ piece }} = '&gt;' then '>'
        when {{ piece }} = '&quot;' then '"'
        when {{ piece }} = '&apos;' then ''''
        when {{ piece }} like '&#x%' or {{ piece }} like '&#X%' then {{ html_code_point_character(hexadecimal) }}
        when {{ piece }} like '&#%' then {{ html_code_point_character(decimal) }}
        {%- for name, code_point in names.items() %}
        when {{ piece }} = '&{{ name }};' then chr({{ code_point }})
        {%- endfor %}
        else {{ piece }}
    end
{%- endmacro %}
