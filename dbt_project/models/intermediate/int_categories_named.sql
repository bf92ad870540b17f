with categories as (

    select
        connection_id,
        category_id,
        category_name
    from {{ ref('stg_unified__categories') }}

),

category_names as (

    select * from {{ ref('int_categories_by_name') }}

),

counted_categories as (

    select distinct
        connection_id,
        category
    from {{ ref('int_support_days') }}
    where category is not null

)

select
    counted_categories.connection_id,
    counted_categories.category,
    coalesce(categories.category_id, category_names.category_id) as category_id,
    coalesce(categories.category_name, category_names.category_name, counted_categories.category) as category_name
from counted_categories
left join categories
    on
        counted_categories.connection_id = categories.connection_id
        and counted_categories.category = categories.category_id
left join category_names
    on
        counted_categories.connection_id = category_names.connection_id
        and {{ comparable_text('counted_categories.category') }} = category_names.comparable_name
