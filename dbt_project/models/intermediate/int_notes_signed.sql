with notes as (

    select
        notes.connection_id,
        connections.integration_type,
        notes.note_id as record_id,
        notes.raw
    from {{ due(ref('stg_unified__notes')) }} as notes
    left join {{ ref('stg_unified__connections') }} as connections
        on notes.connection_id = connections.connection_id
    where not notes.is_deleted

),

matched_signs as (

    {{ signs_matched('note', 'notes') }}

),

signs as (

    {{ signs_chosen('matched_signs') }}

)

select
    connection_id,
    record_id as note_id,
    {{ sign_of('visibility') }} as visibility,
    {{ sign_of('visibility', column='path') }} as visibility_path,
    {{ sign_of('author_role') }} as author_role,
    {{ sign_of('author_role', column='path') }} as author_role_path,
    coalesce({{ sign_of('automatic') }} = 'true', false) as is_automatic
from signs
group by connection_id, record_id
