{# The character that one piece of text stands for, if the piece is an entity; else the piece. The names are those of
   Latin-1 in order, from 160 to 255, and the common signs beyond; only a few are known without their semicolon. #}
{% macro html_entity_character(piece) -%}
    {%- set latin = (
        'nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute '
        ~ 'micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring '
        ~ 'AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml '
        ~ 'times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil '
        ~ 'egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash '
        ~ 'ugrave uacute ucirc uuml yacute thorn yuml'
    ).split(' ') -%}
    {%- set signs = {
        'amp': 38, 'lt': 60, 'gt': 62, 'quot': 34, 'apos': 39, 'OElig': 338, 'oelig': 339, 'Scaron': 352,
        'scaron': 353, 'Yuml': 376, 'fnof': 402, 'circ': 710, 'tilde': 732, 'ensp': 8194, 'emsp': 8195,
        'thinsp': 8201, 'zwnj': 8204, 'zwj': 8205, 'ndash': 8211, 'mdash': 8212, 'lsquo': 8216, 'rsquo': 8217,
        'sbquo': 8218, 'ldquo': 8220, 'rdquo': 8221, 'bdquo': 8222, 'dagger': 8224, 'Dagger': 8225, 'bull': 8226,
        'hellip': 8230, 'permil': 8240, 'prime': 8242, 'Prime': 8243, 'lsaquo': 8249, 'rsaquo': 8250, 'euro': 8364,
        'trade': 8482, 'larr': 8592, 'uarr': 8593, 'rarr': 8594, 'darr': 8595, 'harr': 8596, 'minus': 8722,
        'infin': 8734, 'asymp': 8776, 'ne': 8800, 'le': 8804, 'ge': 8805, 'check': 10003
    } -%}
    {%- set names = latin + signs.keys() | list -%}
    {%- set code_points = range(160, 256) | list + signs.values() | list -%}
    {%- set place = "array_position(array['" ~ names | join("', '") ~ "'], rtrim(substr(" ~ piece ~ ", 2), ';'))" -%}
    case
        when {{ piece }} not like '&%;' and {{ piece }} not in ('&nbsp', '&amp', '&lt', '&gt', '&quot') then {{ piece }}
        when {{ piece }} like '&#x%' or {{ piece }} like '&#X%'
            then {{ html_code_point_character(html_code_point(piece, is_hexadecimal=true)) }}
        when {{ piece }} like '&#%'
            then {{ html_code_point_character(html_code_point(piece, is_hexadecimal=false)) }}
        else coalesce(chr((array[{{ code_points | join(', ') }}])[{{ place }}]), {{ piece }})
    end
{%- endmacro %}
