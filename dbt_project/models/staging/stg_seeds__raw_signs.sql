with signs as (

    select * from {{ ref('raw_signs') }}

)

select
    {{ blank_to_null('object') }} as object,
    {{ lower_snake('integration_type') }} as integration_type,
    {{ blank_to_null('path') }} as path,
    {{ lower_snake('value') }} as value,
    {{ blank_to_null('sign') }} as sign,
    {{ blank_to_null('meaning') }} as meaning,
    {{ whole_number_from_text(blank_to_null('place')) }} as place,
    {{ blank_to_null('place') }} as place_text
from signs
where {{ blank_to_null('concat(object, integration_type, path, value, sign, meaning, place)') }} is not null
