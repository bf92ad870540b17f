{# The character of a code point; 128 to 159 are taken from Windows-1252, as browsers do; the replacement character
   where there is none (zero, surrogates, out of range). #}
{% macro html_code_point_character(code_point) -%}
    {%- set windows = [
        8364, 129, 8218, 402, 8222, 8230, 8224, 8225, 710, 8240, 352, 8249, 338, 141, 381, 143,
        144, 8216, 8217, 8220, 8221, 8226, 8211, 8212, 732, 8482, 353, 8250, 339, 157, 382, 376
    ] -%}
    case
        when {{ code_point }} between 128 and 159 then chr((array[{{ windows | join(', ') }}])[{{ code_point }} - 127])
        when {{ code_point }} between 1 and 55295 or {{ code_point }} between 57344 and 1114111
            then chr({{ code_point }})
        else chr(65533)
    end
{%- endmacro %}
